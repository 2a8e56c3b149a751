CREATE TABLE change (
    id BIGSERIAL NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    kind VARCHAR NOT NULL,
    spu VARCHAR,
    sku VARCHAR,
    "old" TEXT,
    "new" TEXT,
    PRIMARY KEY (id)
);
CREATE INDEX ix_change_sku ON change (sku);
CREATE TABLE mirror_done (
    endpoint VARCHAR NOT NULL,
    start TIMESTAMP WITH TIME ZONE NOT NULL,
    "end" TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (endpoint, start)
);
CREATE TABLE mirror_open (
    endpoint VARCHAR NOT NULL,
    start TIMESTAMP WITH TIME ZONE NOT NULL,
    "end" TIMESTAMP WITH TIME ZONE NOT NULL,
    page INTEGER NOT NULL,
    page_size INTEGER NOT NULL,
    total INTEGER NOT NULL,
    clock INTEGER,
    first INTEGER,
    distinct_rows INTEGER NOT NULL,
    PRIMARY KEY (endpoint, start)
);
CREATE TABLE mirror_schema (
    version SERIAL NOT NULL,
    PRIMARY KEY (version)
);
CREATE TABLE mirror_undecodable (
    id BIGSERIAL NOT NULL,
    endpoint VARCHAR NOT NULL,
    key VARCHAR,
    reason TEXT NOT NULL,
    raw TEXT NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE product (
    spu VARCHAR NOT NULL,
    kk_product_id BIGINT,
    product_name TEXT,
    description TEXT,
    size_image_path TEXT,
    spu_status INTEGER,
    category_id BIGINT,
    full_category_name TEXT,
    sales_volume INTEGER,
    attributes_json TEXT,
    price NUMERIC,
    stock INTEGER,
    supplier_level VARCHAR,
    create_time TIMESTAMP WITH TIME ZONE,
    update_time TIMESTAMP WITH TIME ZONE,
    sku_img_url TEXT,
    retired BOOLEAN DEFAULT false NOT NULL,
    gone_since TIMESTAMP WITH TIME ZONE,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_in INTEGER NOT NULL,
    PRIMARY KEY (spu)
);
CREATE INDEX ix_product_category_id ON product (category_id);
CREATE INDEX ix_product_spu_status ON product (spu_status);
CREATE INDEX ix_product_stock ON product (stock);
CREATE INDEX ix_product_update_time ON product (update_time);
CREATE TABLE stock (
    sku VARCHAR NOT NULL,
    warehouse_code VARCHAR NOT NULL,
    country_code VARCHAR,
    qty INTEGER,
    as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (sku, warehouse_code)
);
CREATE TABLE sku (
    sku VARCHAR NOT NULL,
    spu VARCHAR NOT NULL,
    sku_name TEXT,
    main_img TEXT,
    package_length NUMERIC,
    package_width NUMERIC,
    package_height NUMERIC,
    package_weight NUMERIC,
    cost NUMERIC,
    price NUMERIC,
    stock INTEGER,
    option1 TEXT,
    option2 TEXT,
    option3 TEXT,
    material TEXT,
    sku_status INTEGER,
    retired BOOLEAN DEFAULT false NOT NULL,
    gone_since TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (sku),
    FOREIGN KEY(spu) REFERENCES product (spu)
);
CREATE INDEX ix_sku_sku_status ON sku (sku_status);
CREATE INDEX ix_sku_spu ON sku (spu);
CREATE INDEX ix_sku_stock ON sku (stock);
INSERT INTO mirror_schema (version) VALUES (1);

"""The public names that both packages share: each is listed here, once."""

from kakaclo_async.codec.outgoing import (
    resized_image as resized_image,
    table as table,
)
from kakaclo_async.config import (
    API_SETTINGS_URL as API_SETTINGS_URL,
    PAYMENT_URL as PAYMENT_URL,
    Caching as Caching,
    __version__ as __version__,
)
from kakaclo_async.contract import (
    Drift as Drift,
    Recording as Recording,
)
from kakaclo_async.errors import (
    APIError as APIError,
    ClientClosed as ClientClosed,
    ConfigurationError as ConfigurationError,
    Conflict as Conflict,
    ConnectionFailed as ConnectionFailed,
    DatabaseAway as DatabaseAway,
    DeadlineExceeded as DeadlineExceeded,
    DecodeError as DecodeError,
    IncompletePull as IncompletePull,
    InvalidRequest as InvalidRequest,
    KakaCloError as KakaCloError,
    LeaseLost as LeaseLost,
    MissingExtra as MissingExtra,
    NoFreight as NoFreight,
    NotFound as NotFound,
    OutcomeUnknown as OutcomeUnknown,
    RateLimited as RateLimited,
    Rejected as Rejected,
    ServerError as ServerError,
    Unauthorized as Unauthorized,
)
from kakaclo_async.events import (
    CacheHit as CacheHit,
    CallEnded as CallEnded,
    CallStarted as CallStarted,
    Event as Event,
    Lane as Lane,
    LaneStats as LaneStats,
    PageDone as PageDone,
    Retried as Retried,
    Sent as Sent,
    Stats as Stats,
    Throttled as Throttled,
    Waited as Waited,
)
from kakaclo_async.guards import (
    Guards as Guards,
)
from kakaclo_async.models.common import (
    Attributes as Attributes,
    FrozenMapping as FrozenMapping,
    Number as Number,
    OpenIntEnum as OpenIntEnum,
    OpenStrEnum as OpenStrEnum,
    Option as Option,
    Page as Page,
)
from kakaclo_async.models.custom import (
    POD_DESIGNER_URL as POD_DESIGNER_URL,
    POD_DESIGNS_URL as POD_DESIGNS_URL,
    Design as Design,
    DesignModel as DesignModel,
    DesignModelDetail as DesignModelDetail,
    MaterialImage as MaterialImage,
    ModelStatus as ModelStatus,
    ModelVariant as ModelVariant,
    NewDesign as NewDesign,
)
from kakaclo_async.models.family import (
    Family as Family,
    FamilyStatus as FamilyStatus,
)
from kakaclo_async.models.freight import (
    ChannelsRequest as ChannelsRequest,
    ChannelType as ChannelType,
    FreightMatrix as FreightMatrix,
    FreightOption as FreightOption,
    FreightQuote as FreightQuote,
    FreightRequest as FreightRequest,
    Item as Item,
    LogisticsChannel as LogisticsChannel,
    OrderCheck as OrderCheck,
    OrderProblem as OrderProblem,
)
from kakaclo_async.models.new_order import (
    Address as Address,
    CreatedOrder as CreatedOrder,
    NewOrder as NewOrder,
    SalePlatform as SalePlatform,
)
from kakaclo_async.models.order import (
    Balance as Balance,
    CarrierType as CarrierType,
    FinancialStatus as FinancialStatus,
    Fulfillment as Fulfillment,
    FulfillmentStatus as FulfillmentStatus,
    Order as Order,
    OrderItem as OrderItem,
    OrderStatus as OrderStatus,
    PackageStatus as PackageStatus,
    RefundState as RefundState,
    ShippingAddress as ShippingAddress,
    StockStatus as StockStatus,
    TrackingInfo as TrackingInfo,
)
from kakaclo_async.models.order_v1 import (
    FulfillmentV1 as FulfillmentV1,
    OrderItemV1 as OrderItemV1,
    OrderStatusV1 as OrderStatusV1,
    OrderV1 as OrderV1,
)
from kakaclo_async.models.product import (
    Category as Category,
    Product as Product,
    ProductStatus as ProductStatus,
    SizeContent as SizeContent,
    SizeRow as SizeRow,
    SizeSheet as SizeSheet,
    SizeValue as SizeValue,
    Sku as Sku,
    SkuImages as SkuImages,
    SortBy as SortBy,
    SortType as SortType,
    StockLevel as StockLevel,
    SupplierLevel as SupplierLevel,
    Warehouse as Warehouse,
    WarehouseStatus as WarehouseStatus,
    WarehouseStock as WarehouseStock,
)
from kakaclo_async.models.pull import (
    Certificate as Certificate,
    Window as Window,
)
from kakaclo_async.models.refund import (
    NewRefund as NewRefund,
    Refund as Refund,
    RefundItem as RefundItem,
    RefundPlan as RefundPlan,
    RefundReason as RefundReason,
    RefundStatus as RefundStatus,
)
from kakaclo_async.ratelimit import (
    RedisServer as RedisServer,
)
from kakaclo_async.ratelimit.bucket import (
    Bucket as Bucket,
    RateLimit as RateLimit,
)
from kakaclo_async.ratelimit.redis import (
    RedisBucket as RedisBucket,
)
from kakaclo_async.token import (
    token_from as token_from,
)
from kakaclo_async.travel import (
    to_json_value as to_json_value,
)

NAMES = sorted(name for name in globals() if name == "__version__" or name[0].isalpha())

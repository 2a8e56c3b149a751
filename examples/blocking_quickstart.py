"""Look at the balance, a category's products and their stock, without asyncio."""

import os
from contextlib import ExitStack
from itertools import islice

from kakaclo_sync import KakaClo, Sandbox

with ExitStack() as stack:
    if "KAKACLO_BASE_URL" in os.environ:
        kk = stack.enter_context(KakaClo())
    else:
        sandbox = stack.enter_context(Sandbox(products=200))
        kk = stack.enter_context(KakaClo(sandbox.token, base_url=sandbox.url))

    print(f"Balance: {kk.payment.balance().amount} USD")

    women, *_ = kk.categories.tree()
    products = list(islice(kk.products.in_category(women.category_id or 0), 5))
    skus = [sku.sku for product in products for sku in product.sku_details]
    stock = {level.sku: level.qty for level in kk.stocks.get_many(skus)}  # any number, 30 per request
    for product in products:
        pieces = sum(stock.get(sku.sku, 0) for sku in product.sku_details)
        print(f"{product.spu}: {product.product_name}, {pieces} in stock")

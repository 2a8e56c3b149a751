"""Settings, all from the environment; the token itself is read by the clients, and is no setting of Django's.

| variable | what it is |
| --- | --- |
| KAKACLO_TOKEN, or KAKACLO_TOKEN_FROM | the token, or where it is read |
| KAKACLO_BASE_URL | a sandbox, in place of KakaClo |
| SHOP_JOURNAL | where orders are written down before they are sent |
| SHOP_CATALOG | where `manage.py mirror` puts the catalog |
| SHOP_REDIS | the bucket that all processes share; without it each client takes half the rate |
| SHOP_ALLOW_HTTP | 1: the sandbox runs in another container |
| DJANGO_SECRET_KEY, DJANGO_DEBUG, DJANGO_HOSTS | as their names say |
"""

import os

from django.core.management.utils import get_random_secret_key

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or get_random_secret_key()  # nothing is signed here
DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("DJANGO_HOSTS", "127.0.0.1,localhost").split(",")
INSTALLED_APPS = ["shop"]
MIDDLEWARE = ["shop.views.Explain"]
ROOT_URLCONF = "shop.urls"
ASGI_APPLICATION = "shop.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

SHOP_JOURNAL = os.environ.get("SHOP_JOURNAL", "sqlite:///orders.db")
SHOP_CATALOG = os.environ.get("SHOP_CATALOG", "sqlite:///catalog.db")
SHOP_REDIS = os.environ.get("SHOP_REDIS", "")
SHOP_ALLOW_HTTP = os.environ.get("SHOP_ALLOW_HTTP") == "1"

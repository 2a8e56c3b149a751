"""Where the views are."""

from django.urls import path

from shop import views

urlpatterns = [
    path("quote/<str:country>", views.quote),
    path("stock/<str:sku>", views.stock),
    path("orders/<str:number>", views.place),
]

"""What the shop does: prices of freight, orders, parcels, refunds, money."""

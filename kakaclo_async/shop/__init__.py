"""What shops and KakaClo exchange as files: listings, prices and tracking numbers."""

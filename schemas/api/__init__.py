"""What the API says, as models: its OpenAPI document comes from them."""

"""The web application and the API: both carry out the use cases of services.admin for people and programs that may."""

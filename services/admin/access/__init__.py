"""Who may use the web application and the API: accounts, sessions, API keys and their roles."""

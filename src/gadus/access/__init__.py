"""Who may do what on a server: tokens, users, keys of clients, and the secrets that prove them."""

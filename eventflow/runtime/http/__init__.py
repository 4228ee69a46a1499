"""HTTP: the app's routes, the Invoke API and the admin pages, as one ASGI application and its server."""

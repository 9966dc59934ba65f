"""The pages: what operators see in a browser, made on the server from the same functions of the engine as the API."""

"""Calls through an account with Twilio: placed over HTTP, told of by callbacks, with sound over a WebSocket."""

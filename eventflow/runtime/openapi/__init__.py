"""An app's HTTP side as an OpenAPI 3.1 document, and the page that shows it."""

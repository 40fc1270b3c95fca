"""The bodies the API sends and takes, as typed models; OpenAPI is made from them."""

"""The edge proxy: what a CloudFront distribution does with a request, in front of an origin."""

-- What wrk sends to POST /orders.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"id":"o-1043","total":129.95,"items":["tea","coffee","a very long loaf of bread","milk","eggs"]}'

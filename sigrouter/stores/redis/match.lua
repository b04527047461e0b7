-- fresh pair id -> {{pair, client, worker}, ...}
return answer('ok', serve_queue(ARGV[2]))

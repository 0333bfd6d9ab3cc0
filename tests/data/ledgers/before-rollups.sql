BEGIN TRANSACTION;
CREATE TABLE exchanges (
	exchange_id VARCHAR NOT NULL, 
	started_at VARCHAR NOT NULL, 
	proxy_id VARCHAR NOT NULL, 
	site VARCHAR, 
	trace_id VARCHAR, 
	upstream_request_id VARCHAR, 
	sdk_invocation_id VARCHAR, 
	sdk_attempt BIGINT, 
	label VARCHAR, 
	tenant VARCHAR, 
	team VARCHAR, 
	app VARCHAR, 
	tenant_source VARCHAR, 
	tenant_trust VARCHAR NOT NULL, 
	workload_class VARCHAR NOT NULL, 
	workload_source VARCHAR, 
	service VARCHAR, 
	operation VARCHAR, 
	region VARCHAR, 
	upstream_host VARCHAR, 
	requested_model VARCHAR, 
	response_model VARCHAR, 
	model VARCHAR, 
	scope VARCHAR, 
	service_tier VARCHAR, 
	latency_mode VARCHAR, 
	endpoint_name VARCHAR, 
	variant VARCHAR, 
	target_model VARCHAR, 
	inference_component VARCHAR, 
	streaming BOOLEAN, 
	max_tokens BIGINT, 
	temperature FLOAT, 
	reasoning_budget BIGINT, 
	tools BIGINT, 
	guardrail VARCHAR, 
	failover_from VARCHAR, 
	breaker_state VARCHAR, 
	http_status BIGINT, 
	outcome VARCHAR NOT NULL, 
	side VARCHAR, 
	error_type VARCHAR, 
	finish_reason VARCHAR, 
	input_tokens BIGINT, 
	cache_read_tokens BIGINT, 
	cache_write_tokens BIGINT, 
	cache_write_1h_tokens BIGINT, 
	output_tokens BIGINT, 
	reasoning_tokens BIGINT, 
	usage_source VARCHAR NOT NULL, 
	usage_conflict JSON, 
	upload FLOAT, 
	connect FLOAT, 
	ttfb FLOAT, 
	ttft FLOAT, 
	upstream_ttft FLOAT, 
	ttft_visible FLOAT, 
	ttft_reasoning FLOAT, 
	ttft_tool FLOAT, 
	tpot FLOAT, 
	itl_p50 FLOAT, 
	itl_p95 FLOAT, 
	itl_p99 FLOAT, 
	itl_max FLOAT, 
	stall_count BIGINT, 
	e2e FLOAT, 
	upstream_e2e FLOAT, 
	downstream_wait FLOAT, 
	proxy_overhead FLOAT, 
	provider_latency FLOAT, 
	provider_ttft FLOAT, 
	request_bytes BIGINT, 
	response_bytes BIGINT, 
	chunks BIGINT, 
	in_flight BIGINT, 
	connection_reused BOOLEAN, 
	cold BOOLEAN, 
	cost_usd VARCHAR, 
	cost_status VARCHAR, 
	price_book VARCHAR, 
	prompt_hash VARCHAR, 
	prefix_hash VARCHAR, 
	ttfc FLOAT, 
	time_to_last_token FLOAT, 
	output_chunks BIGINT, 
	gap_provider FLOAT, 
	gap_proxy FLOAT, 
	gap_reader FLOAT, 
	stall_time FLOAT, 
	stall_side VARCHAR, 
	overhead_request FLOAT, 
	overhead_first_chunk FLOAT, 
	overhead_tail FLOAT, 
	undecoded VARCHAR, 
	signing VARCHAR, 
	input_estimate VARCHAR, 
	output_estimate VARCHAR, 
	PRIMARY KEY (exchange_id)
);
INSERT INTO "exchanges" VALUES('019ac1f2-0001','2026-11-24T23:59:59.999999Z','p1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'search',NULL,NULL,'none','unclassified',NULL,NULL,NULL,NULL,NULL,'m-one',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'completed',NULL,NULL,NULL,100,NULL,NULL,NULL,7,NULL,'reported',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'0.100000000001','final',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "exchanges" VALUES('019ac1f2-0002','2026-11-25T00:00:00.000000Z','p1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'search',NULL,NULL,'none','unclassified',NULL,NULL,NULL,NULL,NULL,'m-one',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'completed',NULL,NULL,NULL,200,NULL,NULL,NULL,9,NULL,'reported',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'12.9','final',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "exchanges" VALUES('019ac1f2-0003','2026-11-25T00:00:00.000001Z','p1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'none','unclassified',NULL,NULL,NULL,NULL,NULL,'m-two',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'completed',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'unknown',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE in_flight (
	exchange_id VARCHAR NOT NULL, 
	worker_id VARCHAR NOT NULL, 
	started BLOB NOT NULL, 
	ttft FLOAT, 
	upstream_ttft FLOAT, 
	PRIMARY KEY (exchange_id)
);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version','1');
INSERT INTO "meta" VALUES('created_by','streamgauge 0.1.0');
INSERT INTO "meta" VALUES('created_at','2026-11-25T15:30:26+00:00');
CREATE TABLE totals (
	outcome VARCHAR NOT NULL, 
	count BIGINT NOT NULL, 
	PRIMARY KEY (outcome)
);
INSERT INTO "totals" VALUES('completed',3);
CREATE TABLE unmeasured (
	worker_id VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	counted_by VARCHAR NOT NULL, 
	count BIGINT NOT NULL, 
	PRIMARY KEY (worker_id, reason, counted_by)
);
INSERT INTO "unmeasured" VALUES('p1-w0','spool_full','worker',1);
CREATE TABLE workers (
	worker_id VARCHAR NOT NULL, 
	segment BIGINT NOT NULL, 
	"offset" BIGINT NOT NULL, 
	first_segment BIGINT NOT NULL, 
	seen BIGINT NOT NULL, 
	rows BIGINT NOT NULL, 
	finished BOOLEAN NOT NULL, 
	updated_at VARCHAR NOT NULL, 
	PRIMARY KEY (worker_id)
);
INSERT INTO "workers" VALUES('p1-w0',1,300,1,4,3,0,'2026-11-25T15:30:26.807701Z');
CREATE INDEX exchanges_started_at ON exchanges (started_at);
CREATE INDEX exchanges_upstream_request_id ON exchanges (upstream_request_id);
COMMIT;
PRAGMA user_version=1;

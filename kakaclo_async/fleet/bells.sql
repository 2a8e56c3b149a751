-- What rings the bells of a fleet, each call as a transaction of its own: a worker that freezes holds no lock meanwhile.
-- No job has a `lock` of procrastinate's: nobody is told when one is free. The table of shops keeps what is due.

-- Procrastinate's triggers write each bell's history, which nobody reads, and tell all workers of each bell by itself:
-- most of what many bells at once cost. Whoever rings tells the workers once. They are not dropped: its migrations may.
ALTER TABLE procrastinate_jobs DISABLE TRIGGER USER;

CREATE OR REPLACE FUNCTION fleet_ring(p_kind text, p_shop text, p_again boolean)
    RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    rung integer;
BEGIN
    -- In turn: two that look at once would ring twice, and each refusal fills the server's log.
    PERFORM pg_advisory_xact_lock(hashtextextended('kakaclo fleet ' || coalesce(current_schema(), ''), 0));
    INSERT INTO procrastinate_jobs (queue_name, task_name, priority, queueing_lock, args)
    -- What was cut off with its worker goes with the orders: it has waited for that worker to be taken for dead. It does
    -- not go before them: it may be what killed the worker.
    SELECT 'fleet', 'kakaclo:turn', CASE WHEN t.kind = 'orders' OR t.started > coalesce(t.ended, 0) THEN 2
        WHEN t.kind = 'watch' THEN 1 ELSE 0 END,
        t.kind || ':' || t.shop, jsonb_build_object('kind', t.kind, 'shop', t.shop)
    FROM fleet_turn t LEFT JOIN fleet_shop s ON s.shop = t.shop
    WHERE (p_shop IS NULL OR (t.shop = p_shop AND t.kind = p_kind))
        -- What ended in the future did so before the clock was set back: it would wait for that long.
        AND (t.due <= extract(epoch FROM clock_timestamp()) OR t.ended > extract(epoch FROM clock_timestamp()) + 60)
        AND coalesce(s.paused + s.filed, 0) = 0
        -- Read once and hashed, whatever the planner believes of a table that was empty a moment ago.
        AND t.kind || ':' || t.shop NOT IN (
            SELECT j.queueing_lock FROM procrastinate_jobs j
            WHERE j.queueing_lock IS NOT NULL AND (p_shop IS NULL OR j.queueing_lock = p_kind || ':' || p_shop)
                AND (j.status = 'todo' OR (j.status = 'doing' AND NOT p_again)))
    ORDER BY t.due, t.shop, t.kind;
    GET DIAGNOSTICS rung = ROW_COUNT;
    IF rung > 0 THEN
        PERFORM pg_notify('procrastinate_queue_v1#fleet', '{"type": "job_inserted"}');
    END IF;
    RETURN rung;
END;
$$;

-- One tick: a sign of life, the jobs of dead workers taken away, and what is due is rung for.
-- A stalled job is not sent again, which might collide with a younger one: what it was for is due still.
CREATE OR REPLACE FUNCTION fleet_tick(p_worker text, p_dead double precision)
    RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    at double precision := extract(epoch FROM clock_timestamp());
BEGIN
    INSERT INTO fleet_worker (worker, since, beat) VALUES (p_worker, at, at)
        ON CONFLICT (worker) DO UPDATE SET beat = excluded.beat;
    DELETE FROM procrastinate_jobs WHERE id IN (
        SELECT j.id FROM procrastinate_jobs j
        WHERE j.queue_name = 'fleet' AND (j.status NOT IN ('todo', 'doing') OR (j.status = 'doing' AND NOT EXISTS (
            SELECT 1 FROM procrastinate_workers w
            WHERE w.id = j.worker_id AND w.last_heartbeat > now() - make_interval(secs => p_dead))))
        FOR UPDATE SKIP LOCKED);
    RETURN fleet_ring(NULL, NULL, false);
END;
$$;

-- conflicts: What becomes of opening signals for what is held already, and of all others?
--
-- Columns
--   strategy_id         text     sender
--   symbol              text     symbol
--   signals             integer  opening signals
--   accepted            integer  that led to an order
--   position_exists     integer  refused: the leg is held, and only one may hold it
--   weaker_signal       integer  refused: a stronger signal holds the leg
--   max_accumulations   integer  refused: the strategy has added as often as it may
--   cooldown            integer  refused: its last addition was too short a time ago
--   opposite_direction  integer  refused: it holds the opposite leg in one-way mode
--   otherwise           integer  refused for another reason
--   conflict_rate       ratio    refused for one of the five / signals, a fraction
-- Parameters
--   from, to     decided_at
--   strategy_id
--   symbol
-- Nulls
--   A strategy that sent no opening signal for a symbol has no row there. Copies of a signal count once.

SELECT
    strategy_id,
    symbol,
    COUNT(*) AS signals,
    COUNT(CASE WHEN outcome = 'accepted' THEN 1 END) AS accepted,
    COUNT(CASE WHEN reason = 'position_exists' THEN 1 END) AS position_exists,
    COUNT(CASE WHEN reason = 'weaker_signal' THEN 1 END) AS weaker_signal,
    COUNT(CASE WHEN reason = 'max_accumulations' THEN 1 END) AS max_accumulations,
    COUNT(CASE WHEN reason = 'cooldown' THEN 1 END) AS cooldown,
    COUNT(CASE WHEN reason = 'opposite_direction' THEN 1 END) AS opposite_direction,
    COUNT(
        CASE WHEN outcome = 'rejected' AND reason NOT IN
            ('position_exists', 'weaker_signal', 'max_accumulations', 'cooldown', 'opposite_direction') THEN 1 END
    ) AS otherwise,
    ROUND(
        CAST(
            COUNT(
                CASE WHEN reason IN
                    ('position_exists', 'weaker_signal', 'max_accumulations', 'cooldown', 'opposite_direction') THEN 1 END
            ) AS DECIMAL(38,18)
        ) / COUNT(*),
        8
    ) AS conflict_rate
FROM decisions
WHERE action IN ('buy', 'sell')
    AND (@from IS NULL OR decided_at >= @from)
    AND (@to IS NULL OR decided_at < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY strategy_id, symbol
ORDER BY strategy_id, symbol;

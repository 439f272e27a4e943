-- Tables of the analysts' copy, for MySQL 8 and MariaDB 10.6 or newer. Safe to run again.
--
--   tradeengine schema apply --target mysql        or        mysql DATABASE < 0001_tables.sql
--
-- Numbers are DECIMAL(38,18), the finest step and the largest amount that the engine books; a number that does not fit
-- is refused and parked, never rounded. Times are UTC with milliseconds.
--
-- Texts compare byte by byte (utf8mb4_bin), as in the engine: Alpha and alpha are two strategies. The longest names that
-- the engine takes have 64 characters (strategies) and 128 (signals); ids of orders have 36, symbols 30, and words of
-- fixed lists fewer. So the widest key, decisions', has 256 characters or 1,024 bytes of the 3,072 that InnoDB indexes.
-- Free text is TEXT: it is in no key.
--
-- Indexes are those that the engine's own questions need, and one on each table's time and strategy.
--
-- row_no numbers rows in the order in which they were made: paging without another order follows it.
--
-- There are no foreign keys. What a row names is in the journal, from which all rows are made in its order; but rows of
-- one transaction are written table by table, and a position that was refused and parked must not take its
-- contributions with it. `tradeengine audit` finds what does not belong together.

CREATE TABLE IF NOT EXISTS schema_version (
    version INT NOT NULL,
    name VARCHAR(64) NOT NULL,
    applied_at DATETIME(3) NOT NULL,
    PRIMARY KEY (version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Up to which record of the journal each shard's rows are complete; written in the same transaction as the rows.
-- The generation rises when the copy is made anew, so that nobody takes the new rows for those that he remembers.
CREATE TABLE IF NOT EXISTS checkpoints (
    shard INT NOT NULL,
    sequence BIGINT NOT NULL,
    time_ms BIGINT NOT NULL,
    generation INT NOT NULL DEFAULT 0,
    PRIMARY KEY (shard)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Rows that this server refused, with its reason. The row stays as it was before, or missing; once the reason is gone,
-- `tradeengine project --rebuild mysql` makes the copy whole.
CREATE TABLE IF NOT EXISTS parked_rows (
    parked_id BIGINT NOT NULL AUTO_INCREMENT,
    table_name VARCHAR(64) NOT NULL,
    row_key TEXT NOT NULL,
    reason TEXT NOT NULL,
    shard BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    row_values JSON NOT NULL,
    parked_at DATETIME(3) NOT NULL,
    PRIMARY KEY (parked_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `decisions` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `signal_id` VARCHAR(128) NOT NULL,
    `strategy_id` VARCHAR(64) NOT NULL,
    `symbol` VARCHAR(64) NOT NULL,
    `action` VARCHAR(64),
    `outcome` VARCHAR(64),
    `reason` VARCHAR(64),
    `source` VARCHAR(64),
    `detail` TEXT,
    `orders` JSON,
    `duplicates` BIGINT,
    `confidence` DECIMAL(38,18),
    `strength` VARCHAR(64),
    `strategy_mode` VARCHAR(64),
    `order_type` VARCHAR(64),
    `time_in_force` VARCHAR(64),
    `position_side` VARCHAR(64),
    `timeframe` VARCHAR(64),
    `price` DECIMAL(38,18),
    `current_price` DECIMAL(38,18),
    `quantity` DECIMAL(38,18),
    `quote_quantity` DECIMAL(38,18),
    `position_size_pct` DECIMAL(38,18),
    `stop_loss` DECIMAL(38,18),
    `take_profit` DECIMAL(38,18),
    `stop_loss_pct` DECIMAL(38,18),
    `take_profit_pct` DECIMAL(38,18),
    `trailing_pct` DECIMAL(38,18),
    `break_even_at_pct` DECIMAL(38,18),
    `target_price` DECIMAL(38,18),
    `conditional_price` DECIMAL(38,18),
    `conditional_direction` VARCHAR(64),
    `conditional_timeout_s` BIGINT,
    `mark_price` DECIMAL(38,18),
    `signal_time` DATETIME(3),
    `decided_at` DATETIME(3),
    `last_duplicate_at` DATETIME(3),
    `metadata` JSON,
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`signal_id`, `strategy_id`, `symbol`),
    UNIQUE KEY `decisions_by_row_no` (`row_no`),
    KEY `decisions_by_decided_at` (`decided_at`),
    KEY `decisions_by_strategy_id` (`strategy_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `orders` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `order_id` VARCHAR(64) NOT NULL,
    `venue_order_id` VARCHAR(64),
    `strategy_id` VARCHAR(64),
    `signal_id` VARCHAR(128),
    `strategy_position_id` VARCHAR(64),
    `exchange_position_key` VARCHAR(64),
    `symbol` VARCHAR(64),
    `side` VARCHAR(64),
    `position_side` VARCHAR(64),
    `purpose` VARCHAR(64),
    `close_reason` VARCHAR(64),
    `type` VARCHAR(64),
    `time_in_force` VARCHAR(64),
    `replaces_order_id` VARCHAR(64),
    `quantity` DECIMAL(38,18),
    `price` DECIMAL(38,18),
    `trigger_price` DECIMAL(38,18),
    `callback_pct` DECIMAL(38,18),
    `status` VARCHAR(64),
    `reason` TEXT,
    `refusal` VARCHAR(64),
    `cancel_reason` TEXT,
    `filled_quantity` DECIMAL(38,18),
    `filled_value` DECIMAL(38,18),
    `average_price` DECIMAL(38,18),
    `remaining_quantity` DECIMAL(38,18),
    `commission_total` DECIMAL(38,18),
    `commission_asset` VARCHAR(64),
    `created_at` DATETIME(3),
    `updated_at` DATETIME(3),
    `expires_at` DATETIME(3),
    `cancel_requested_at` DATETIME(3),
    `ended_at` DATETIME(3),
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`order_id`),
    UNIQUE KEY `orders_by_row_no` (`row_no`),
    KEY `orders_by_created_at` (`created_at`),
    KEY `orders_by_strategy_id` (`strategy_id`),
    KEY `orders_by_status` (`status`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `fills` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `trade_id` VARCHAR(128) NOT NULL,
    `symbol` VARCHAR(64) NOT NULL,
    `strategy_id` VARCHAR(64) NOT NULL,
    `time` DATETIME(3),
    `order_id` VARCHAR(64),
    `strategy_position_id` VARCHAR(64),
    `exchange_position_key` VARCHAR(64),
    `side` VARCHAR(64),
    `position_side` VARCHAR(64),
    `opening` BOOLEAN,
    `price` DECIMAL(38,18),
    `quantity` DECIMAL(38,18),
    `value` DECIMAL(38,18),
    `fee` DECIMAL(38,18),
    `fee_asset` VARCHAR(64),
    `realized_pnl` DECIMAL(38,18),
    `close_reason` VARCHAR(64),
    `maker` BOOLEAN,
    `reconciled` BOOLEAN,
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`trade_id`, `symbol`, `strategy_id`),
    UNIQUE KEY `fills_by_row_no` (`row_no`),
    KEY `fills_by_time` (`time`),
    KEY `fills_by_strategy_id` (`strategy_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `positions` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `position_id` VARCHAR(64) NOT NULL,
    `strategy_id` VARCHAR(64),
    `exchange` VARCHAR(64),
    `symbol` VARCHAR(64),
    `position_side` VARCHAR(64),
    `entry_price` DECIMAL(38,18),
    `quantity` DECIMAL(38,18),
    `entry_time` DATETIME(3),
    `stop_loss` DECIMAL(38,18),
    `take_profit` DECIMAL(38,18),
    `trailing_pct` DECIMAL(38,18),
    `break_even_at_pct` DECIMAL(38,18),
    `stop_widened` BOOLEAN,
    `stop_clamped` BOOLEAN,
    `target_waits` BOOLEAN,
    `status` VARCHAR(64),
    `metadata` JSON,
    `exchange_position_id` VARCHAR(64),
    `entry_order_id` VARCHAR(64),
    `entry_trade_ids` JSON,
    `stop_loss_order_id` VARCHAR(64),
    `take_profit_order_id` VARCHAR(64),
    `commission_asset` VARCHAR(64),
    `commission_total` DECIMAL(38,18),
    `other_commissions` JSON,
    `funding_total` DECIMAL(38,18),
    `exit_price` DECIMAL(38,18),
    `exit_time` DATETIME(3),
    `exit_order_id` VARCHAR(64),
    `exit_trade_ids` JSON,
    `pnl` DECIMAL(38,18),
    `pnl_pct` DECIMAL(38,18),
    `pnl_after_fees` DECIMAL(38,18),
    `duration_seconds` DECIMAL(38,18),
    `close_reason` VARCHAR(64),
    `final_commission` DECIMAL(38,18),
    `created_at` DATETIME(3),
    `updated_at` DATETIME(3),
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`position_id`),
    UNIQUE KEY `positions_by_row_no` (`row_no`),
    KEY `positions_by_entry_time` (`entry_time`),
    KEY `positions_by_strategy_id` (`strategy_id`),
    KEY `positions_by_status` (`status`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `strategy_positions` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `strategy_position_id` VARCHAR(64) NOT NULL,
    `strategy_id` VARCHAR(64),
    `signal_id` VARCHAR(128),
    `symbol` VARCHAR(64),
    `side` VARCHAR(64),
    `entry_quantity` DECIMAL(38,18),
    `entry_price` DECIMAL(38,18),
    `entry_time` DATETIME(3),
    `entry_order_id` VARCHAR(64),
    `take_profit_price` DECIMAL(38,18),
    `stop_loss_price` DECIMAL(38,18),
    `tp_order_id` VARCHAR(64),
    `sl_order_id` VARCHAR(64),
    `status` VARCHAR(64),
    `current_quantity` DECIMAL(38,18),
    `exit_quantity` DECIMAL(38,18),
    `exit_price` DECIMAL(38,18),
    `exit_time` DATETIME(3),
    `close_reason` VARCHAR(64),
    `realized_pnl` DECIMAL(38,18),
    `realized_pnl_pct` DECIMAL(38,18),
    `commission_total` DECIMAL(38,18),
    `other_commissions` JSON,
    `funding_total` DECIMAL(38,18),
    `trailing_pct` DECIMAL(38,18),
    `break_even_at_pct` DECIMAL(38,18),
    `stop_widened` BOOLEAN,
    `stop_clamped` BOOLEAN,
    `target_waits` BOOLEAN,
    `exchange_position_key` VARCHAR(64),
    `strategy_metadata` JSON,
    `updated_at` DATETIME(3),
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`strategy_position_id`),
    UNIQUE KEY `strategy_positions_by_row_no` (`row_no`),
    KEY `strategy_positions_by_entry_time` (`entry_time`),
    KEY `strategy_positions_by_strategy_id` (`strategy_id`),
    KEY `strategy_positions_by_status` (`status`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `position_contributions` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `contribution_id` VARCHAR(64) NOT NULL,
    `strategy_position_id` VARCHAR(64),
    `exchange_position_key` VARCHAR(64),
    `strategy_id` VARCHAR(64),
    `symbol` VARCHAR(64),
    `position_side` VARCHAR(64),
    `contribution_quantity` DECIMAL(38,18),
    `contribution_entry_price` DECIMAL(38,18),
    `contribution_time` DATETIME(3),
    `position_sequence` BIGINT,
    `exchange_quantity_before` DECIMAL(38,18),
    `exchange_quantity_after` DECIMAL(38,18),
    `status` VARCHAR(64),
    `close_reason` VARCHAR(64),
    `exit_time` DATETIME(3),
    `exit_price` DECIMAL(38,18),
    `contribution_pnl` DECIMAL(38,18),
    `contribution_pnl_pct` DECIMAL(38,18),
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`contribution_id`),
    UNIQUE KEY `position_contributions_by_row_no` (`row_no`),
    KEY `position_contributions_by_contribution_time` (`contribution_time`),
    KEY `position_contributions_by_strategy_id` (`strategy_id`),
    KEY `position_contributions_by_strategy_position_id` (`strategy_position_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `exchange_positions` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `exchange_position_key` VARCHAR(64) NOT NULL,
    `symbol` VARCHAR(64),
    `side` VARCHAR(64),
    `current_quantity` DECIMAL(38,18),
    `weighted_avg_price` DECIMAL(38,18),
    `unrealized_pnl` DECIMAL(38,18),
    `first_entry_time` DATETIME(3),
    `last_update_time` DATETIME(3),
    `status` VARCHAR(64),
    `contributing_strategies` JSON,
    `total_contributions` BIGINT,
    `realized_pnl` DECIMAL(38,18),
    `commission_total` DECIMAL(38,18),
    `other_commissions` JSON,
    `funding_total` DECIMAL(38,18),
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`exchange_position_key`),
    UNIQUE KEY `exchange_positions_by_row_no` (`row_no`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `funding_payments` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `payment_id` VARCHAR(64) NOT NULL,
    `time` DATETIME(3),
    `strategy_id` VARCHAR(64),
    `strategy_position_id` VARCHAR(64),
    `exchange_position_key` VARCHAR(64),
    `symbol` VARCHAR(64),
    `position_side` VARCHAR(64),
    `rate` DECIMAL(38,18),
    `mark_price` DECIMAL(38,18),
    `quantity` DECIMAL(38,18),
    `amount` DECIMAL(38,18),
    `exchange_id` VARCHAR(64),
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`payment_id`),
    UNIQUE KEY `funding_payments_by_row_no` (`row_no`),
    KEY `funding_payments_by_time` (`time`),
    KEY `funding_payments_by_strategy_id` (`strategy_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `daily_pnl` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `day` DATE NOT NULL,
    `strategy_id` VARCHAR(64) NOT NULL,
    `symbol` VARCHAR(64) NOT NULL,
    `realized_pnl` DECIMAL(38,18),
    `fees` DECIMAL(38,18),
    `funding` DECIMAL(38,18),
    `net_pnl` DECIMAL(38,18),
    `trades` BIGINT,
    PRIMARY KEY (`day`, `strategy_id`, `symbol`),
    UNIQUE KEY `daily_pnl_by_row_no` (`row_no`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `differences` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `difference_id` VARCHAR(64) NOT NULL,
    `found_at` DATETIME(3),
    `ended_at` DATETIME(3),
    `status` VARCHAR(64),
    `kind` VARCHAR(64),
    `action` VARCHAR(64),
    `symbol` VARCHAR(64),
    `position_side` VARCHAR(64),
    `order_id` VARCHAR(64),
    `books_quantity` DECIMAL(38,18),
    `exchange_quantity` DECIMAL(38,18),
    `text` TEXT,
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`difference_id`),
    UNIQUE KEY `differences_by_row_no` (`row_no`),
    KEY `differences_by_found_at` (`found_at`),
    KEY `differences_by_status` (`status`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `alerts` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `alert_id` VARCHAR(64) NOT NULL,
    `time` DATETIME(3),
    `name` VARCHAR(64),
    `severity` VARCHAR(64),
    `text` TEXT,
    `symbol` VARCHAR(64),
    `position_side` VARCHAR(64),
    `strategy_id` VARCHAR(64),
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`alert_id`),
    UNIQUE KEY `alerts_by_row_no` (`row_no`),
    KEY `alerts_by_time` (`time`),
    KEY `alerts_by_strategy_id` (`strategy_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `symbol_halts` (
    `row_no` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `symbol` VARCHAR(64) NOT NULL,
    `halted` BOOLEAN,
    `why` TEXT,
    `changed_at` DATETIME(3),
    `shard` BIGINT,
    `sequence` BIGINT,
    PRIMARY KEY (`symbol`),
    UNIQUE KEY `symbol_halts_by_row_no` (`row_no`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT INTO schema_version (version, name, applied_at) VALUES (1, 'tables', UTC_TIMESTAMP(3))
    ON DUPLICATE KEY UPDATE version = VALUES(version);

-- Where do returned goods wait?
CREATE UNLOGGED TABLE retail.staged_returns (
    line integer,
    store text,
    order_number bigint,
    line_no integer,
    returned_on date,
    quantity integer,
    refund_amount numeric,
    reason text
);

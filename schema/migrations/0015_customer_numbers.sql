-- Customers may be known by a number of the shop's own, since not everybody has an e-mail address.
-- oldest-server: 0.1.0
SET LOCAL ROLE zava_owner;

ALTER TABLE retail.customer_records
ADD COLUMN customer_number text CHECK (char_length(customer_number) BETWEEN 1 AND 50),
ADD UNIQUE (store_id, customer_number);
COMMENT ON COLUMN retail.customer_records.customer_number IS 'What the shop itself calls the customer, such as the number on a card. Imports know them by it.';

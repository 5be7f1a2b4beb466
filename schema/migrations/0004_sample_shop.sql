-- What the sample shop remembers of itself, so that it can go on where it stopped. Empty in a real shop.
-- oldest-server: 0.1.0
SET LOCAL ROLE zava_access;

CREATE TABLE access.sample_shop (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seed bigint NOT NULL,
    scale numeric NOT NULL CHECK (scale >= 0),
    generated_until timestamptz NOT NULL
);
COMMENT ON TABLE access.sample_shop IS 'Seed and scale of the sample shop, and the moment up to which its life was generated.';

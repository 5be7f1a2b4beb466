-- Where does the one shop of whoever asks stand in the chain? Quartiles, and nobody's figures.
SELECT
    metric,
    quartile,
    shops
FROM retail.chain_standing(%(first_day)s, %(last_day)s, %(least_shops)s)

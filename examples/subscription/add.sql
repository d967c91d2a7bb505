-- $1 owner, $2 amount
INSERT INTO balances (owner, amount, deposits)
VALUES ($1, $2, 1)
ON CONFLICT (owner) DO UPDATE
SET amount = balances.amount + excluded.amount, deposits = balances.deposits + 1

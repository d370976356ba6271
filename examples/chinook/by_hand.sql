-- How many customers and invoices are in which phase, worked out from the policy by hand.
--
-- No date is computed here: for each day the table below gives the cut-offs as read off a
-- calendar. All purchases are midnights, so text comparison of ISO dates is enough.
--
--   contract, active:   3 years from the last purchase. 15 January 2025 + 3 years is
--                       15 January 2028, whose last hour still counts: active on that day.
--                       14 January 2025 + 3 years is over: no longer active.
--   contract, archive:  5 years from the last purchase, read in the same way.
--   accounting:         10 years from 31 December of the year of issue: on 15 January 2028
--                       the invoices of 2018 (kept through 31 December 2028) and later.
WITH day (as_of, active_from, archive_from, accounting_from) AS (
    VALUES
        ('2028-01-15', '2025-01-15', '2023-01-15', '2018-01-01'),
        ('2030-07-01', '2027-07-01', '2025-07-01', '2020-01-01'),
        ('2033-03-01', '2030-03-01', '2028-03-01', '2023-01-01')
),
last_purchase AS (
    SELECT CustomerId, MAX(InvoiceDate) AS bought_at FROM Invoice GROUP BY CustomerId
),
customer_phase AS (
    SELECT as_of, 'Customer' AS table_name,
           CASE WHEN bought_at IS NULL THEN 'review'
                WHEN bought_at >= active_from THEN 'active'
                WHEN bought_at >= archive_from THEN 'archive'
                ELSE 'expired' END AS phase
    FROM day CROSS JOIN Customer LEFT JOIN last_purchase USING (CustomerId)
),
-- An invoice is held for its customer's contract and for accounting: active while the
-- customer is, then in the archive for the longer of the two.
invoice_phase AS (
    SELECT as_of, 'Invoice' AS table_name,
           CASE WHEN bought_at >= active_from THEN 'active'
                WHEN bought_at >= archive_from OR InvoiceDate >= accounting_from THEN 'archive'
                ELSE 'expired' END AS phase
    FROM day CROSS JOIN Invoice JOIN last_purchase USING (CustomerId)
)
SELECT as_of, table_name, phase, COUNT(*) AS number
FROM (SELECT * FROM customer_phase UNION ALL SELECT * FROM invoice_phase)
GROUP BY as_of, table_name, phase
ORDER BY as_of, table_name, phase;

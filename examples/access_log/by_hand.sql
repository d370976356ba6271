-- How many connections are in which phase, worked out from the policy by hand.
--
-- The policy counts days in Paris, which in May is two hours ahead of UTC: a request of
-- 17 May at 22:30 UTC was made on the 18th. Six months from 17 May end with 17 November, so
-- from the 18th on it is pseudonymised; twelve months end with 17 May 2016.
WITH day (as_of, active_from, kept_from) AS (
    VALUES
        ('2015-11-17', '2015-05-17', '2014-11-17'),
        ('2015-11-18', '2015-05-18', '2014-11-18'),
        ('2015-11-19', '2015-05-19', '2014-11-19'),
        ('2015-11-20', '2015-05-20', '2014-11-20'),
        ('2015-11-21', '2015-05-21', '2014-11-21'),
        ('2016-05-17', '2015-11-17', '2015-05-17'),
        ('2016-05-18', '2015-11-18', '2015-05-18'),
        ('2016-05-19', '2015-11-19', '2015-05-19'),
        ('2016-05-20', '2015-11-20', '2015-05-20'),
        ('2016-05-21', '2015-11-21', '2015-05-21')
),
connection AS (
    SELECT date(at, '+2 hours') AS made_on FROM connections
)
SELECT as_of,
       CASE WHEN made_on >= active_from THEN 'active'
            WHEN made_on >= kept_from THEN 'archive'
            ELSE 'expired' END AS phase,
       COUNT(*) AS number
FROM day CROSS JOIN connection
GROUP BY as_of, phase
ORDER BY as_of, phase;

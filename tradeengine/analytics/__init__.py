"""Analytics: questions that users ask of the tables, each as SQL for MySQL and as an aggregation for MongoDB.

``queries/`` holds two files for each: ``NAME.sql``, whose header says what is asked and answered, and ``NAME.json``,
a command that ``db.runCommand`` takes. Both stores answer alike: the same rows in the same order with the same digits.
Sums are exact. Quotients, and products of two columns, are rounded to 8 decimals, half away from zero: in SQL by ROUND,
which does so. MongoDB divides whole numbers into doubles and rounds half to even: :mod:`tradeengine.analytics.mongodb`
asks for the parts of each quotient, :mod:`tradeengine.analytics.values` divides and rounds.
"""

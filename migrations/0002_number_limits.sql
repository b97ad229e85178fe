-- breaking: false
-- Meta's spam limit on a number (131048) holds back everything the business starts there, not only the row it met.

alter table phone add column initiated_blocked_until timestamptz;

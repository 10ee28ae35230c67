-- Bodies are compressed with a dictionary from now on, which an older program does not have.

-- An id follows from uid and step, so the events of a remediation stand together where the uid comes first: a step changes one
-- page of this index, and not one for each of its events.
DROP INDEX event_id;
CREATE UNIQUE INDEX event_id ON event (uid, id) WHERE state <> 'withdrawn';
-- The events of a correlation id are found by the numbers of its entries.
DROP INDEX event_correlation;

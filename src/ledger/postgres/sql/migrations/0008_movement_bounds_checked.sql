-- Reads all movements; nobody waits for it. The next step then attaches them without reading them.
alter table movements validate constraint movements_first_bounds;

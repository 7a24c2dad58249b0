-- The schema registry's own database, beside Flotilla's. Run once, when the volume is new.
CREATE DATABASE registry;

-- Tokens of users, and tokens by name.

-- The user whose rights the token gives: those that the members of each project say.
ALTER TABLE token ADD COLUMN member TEXT;

-- Names are not unique: what was revoked keeps its row.
CREATE INDEX token_name ON token (name) WHERE revoked_at IS NULL;

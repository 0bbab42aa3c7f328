-- What a session may be.
SELECT arrayJoin(['active', 'ended', 'abandoned']) AS status

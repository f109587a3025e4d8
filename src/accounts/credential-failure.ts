/** The credential is refused and cannot be renewed: only a person can mend it. */
export class CredentialRefused extends Error {}

/** The credential could not be read or renewed just now (database, token server); says nothing about the account. */
export class CredentialUnavailable extends Error {}

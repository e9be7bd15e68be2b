/** Version of this program and of its HTTP API (semver.org); CHANGELOG.md lists the changes. */
export const version = "2.0.0";

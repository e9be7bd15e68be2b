/** Version of this program and of its HTTP API, as semver.org writes it: CHANGELOG.md says what each one has. */
export const version = "2.0.0";

/**
 * Advice for a server that cannot be reached, derived from the driver's error.
 *
 * @module
 */

/** Settings with addresses of servers. */
export type ServerSetting = "DATABASE_URL" | "REDIS_URL" | "KAFKA_BROKERS";

const protocols = { DATABASE_URL: "PostgreSQL", REDIS_URL: "Redis", KAFKA_BROKERS: "Kafka" } as const;

const checks = {
  DATABASE_URL: `psql "$DATABASE_URL" -c 'select 1'`,
  REDIS_URL: 'redis-cli -u "$REDIS_URL" ping',
  KAFKA_BROKERS: "kafka-topics.sh --bootstrap-server <KAFKA_BROKERS> --list",
} as const;

type Advice = readonly [error: RegExp, advice: (setting: ServerSetting) => string];

/** The first match applies. */
const table: readonly Advice[] = [
  [
    /WRONGPASS|invalid username-password|password authentication failed|SASL.*(fail|invalid|error)|no password/i,
    (setting) => `user or password is wrong: correct it in ${loginOf(setting)}`,
  ],
  [
    /NOAUTH|Authentication required/,
    (setting) => `the server requires a password: add it to ${loginOf(setting)}`,
  ],
  [/no pg_hba\.conf entry/, () => "pg_hba.conf does not let this user in from here: add a line for it"],
  [/database ".*" does not exist/, () => "create it with createdb, or correct the name in DATABASE_URL"],
  [/role ".*" does not exist/, () => "create it: see deploy/postgres/roles.sql; or correct DATABASE_URL"],
  [
    /corrupt message|wrong version number|before secure TLS/,
    (setting) => `the server does not speak TLS there: correct host and port in ${setting}, or leave TLS out`,
  ],
  [
    /ECONNREFUSED/,
    (setting) => `nothing listens there: start the server, or correct host and port in ${setting}`,
  ],
  [/ENOTFOUND|EAI_AGAIN|getaddrinfo/, (setting) => `no host has this name: correct the host in ${setting}`],
  [
    /EPIPE|isn't writeable|Unknown RESP|ECONNRESET|CONNECTION_CLOSED|[Pp]rotocol error|closed the connection|Closed connection|speaks? no |is no /,
    (setting) =>
      `the server ends the connection or does not speak ${
        protocols[setting]
      }'s protocol: correct ${setting}, ` +
      "or whether it uses TLS",
  ],
  [/certificate|self.signed|UnknownIssuer/i, (setting) => `TLS fails: see the CA settings of ${setting}`],
  [
    /timeout|timed out|no (?:answer|response) within \d+ ms|\bin \d+ ms|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/i,
    (setting) =>
      `no answer: correct host and port in ${setting}, or open the firewall; or the server does not speak ` +
      `${protocols[setting]}'s protocol`,
  ],
];

function loginOf(setting: ServerSetting): string {
  return setting === "KAFKA_BROKERS" ? "KAFKA_USERNAME and KAFKA_PASSWORD" : setting;
}

/** One line: the problem, the correction, and a command to check it. */
export function adviceOn(setting: ServerSetting, error: string): string {
  const found = table.find(([pattern]) => pattern.test(error))?.[1](setting) ?? `correct ${setting}`;
  return `${found}. Check with: ${checks[setting]}`;
}

/**
 * Dates and times in RFC 3339, stored as milliseconds since 1970.
 *
 * @module
 */

const syntax = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/i;

/** 14 digits in milliseconds, the precision of the store's numbers. */
const yearMax = 2999;
const yearMin = 2000;

/** The rule of a member, without its name. */
export const instantRule: string =
  `must be a date and time with its offset as RFC 3339 writes it, such as 2026-11-22T12:00:00+08:00, ` +
  `from ${yearMin} to ${yearMax}, no leap second`;

/**
 * Parses a time, in milliseconds.
 *
 * `Date.parse` accepts far more than RFC 3339, for example 24:00 and 30 February.
 *
 * @returns undefined for a text that violates {@link instantRule}
 */
export function parseInstant(text: string): number | undefined {
  const match = syntax.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const [fraction = "", sign, offsetHour = 0, offsetMinute = 0] = match.slice(7);
  const isTime = hour <= 23 && minute <= 59 && second <= 59;
  const isOffset = Number(offsetHour) <= 23 && Number(offsetMinute) <= 59;
  if (!isTime || !isOffset || year < yearMin || year > yearMax || !isDay(year, month, day)) return undefined;
  const ms = Number(fraction.padEnd(3, "0").slice(0, 3));
  const offsetMs = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
  return Date.UTC(year, month - 1, day, hour, minute, second, ms) - (sign === "-" ? -offsetMs : offsetMs);
}

/** `Date` moves a day that the month does not have into the next month. */
function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return month >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

import { CallError, type ModelCard } from './dialect.ts';

/** By date, newest first; those of one date by name, so that pages do not change between two reads. */
export function newestFirst(cards: readonly ModelCard[]): ModelCard[] {
  return [...cards].sort((a, b) => {
    if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? 1 : -1;
    return a.id < b.id ? -1 : 1;
  });
}

/** @throws CallError unless the parameter is absent, empty, or a whole number from 1 to `max`. */
export function pageLimit(query: URLSearchParams, name: string, fallback: number, max: number): number {
  const text = query.get(name) ?? '';
  if (text === '') return fallback;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= max) return limit;
  throw new CallError(`${name}: must be a whole number from 1 to ${max}`);
}

/** The place of the card that a cursor names. @throws CallError when there is none. */
export function placeOf(
  cards: readonly ModelCard[],
  query: URLSearchParams,
  name: string,
): number | undefined {
  const id = query.get(name) ?? '';
  if (id === '') return undefined;
  const place = cards.findIndex((card) => card.id === id);
  if (place < 0) throw new CallError(`${name}: names no model of this list`);
  return place;
}

import { ValidateIf } from 'class-validator';

/** The field may be left out. Unlike `IsOptional` it does not let `null` through to a field that cannot be null. */
export const MayBeAbsent = () => ValidateIf((_, value: unknown) => value !== undefined);

/** The field may be left out, or `null`, which takes its setting back. */
export const MayBeNull = () => ValidateIf((_, value: unknown) => value !== undefined && value !== null);

/** 1 to 200 printable characters, no space at either end. */
export const PRINTABLE_NAME = /^(?! )[\p{L}\p{M}\p{N}\p{P}\p{S} ]{1,200}(?<! )$/u;
export const PRINTABLE_NAME_PROBLEM = 'must be 1 to 200 printable characters, without a space at either end';

import { availableParallelism } from 'node:os';

/**
 * `main` runs files side by side; `serial` holds the tests that start several processes; `torture` what takes too long
 * for every change, and some of `serial` at full length.
 */
const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
};

export default {
  testTimeout: 30_000,
  // Tests wait more than they compute: two side by side serve two cores better than one.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  // What a file imported as ES modules stays in its worker's heap when the file is done: 120 files fill 4 GB.
  workerIdleMemoryLimit: '1GB',
  reporters: ['default', '<rootDir>/test/support/summary-reporter.js'],
  projects: [
    {
      ...shared,
      displayName: 'main',
      testMatch: ['<rootDir>/src/**/*.spec.ts', '<rootDir>/test/**/*.test.ts'],
      testPathIgnorePatterns: ['<rootDir>/test/(serial|torture)/', '<rootDir>/dist/'],
    },
    { ...shared, displayName: 'serial', testMatch: ['<rootDir>/test/serial/**/*.test.ts'] },
    {
      ...shared,
      displayName: 'torture',
      testMatch: [
        '<rootDir>/test/torture/**/*.test.ts',
        '<rootDir>/test/serial/{killed-relay,rolling-restart,departures}.test.ts',
      ],
    },
  ],
};

import tseslint from 'typescript-eslint';

const NAME_IT_FIRST =
  'Name the function first: one that is written into a property at once lives in the old generation and keeps alive what it sees';

/** Types are checked by tsc; lint looks for what tsc cannot see: lost promises, `any`, string-built SQL. */
export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '.data/**', 'coverage/**'] },
  {
    files: ['src/**/*.ts', 'migrations/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
      'no-eval': 'error',
      'no-new-func': 'error',
    },
  },
  {
    // In both forms V8 makes the function in the old generation: docs/decisions/016. Left out is what makes one for each
    // process or connection.
    files: ['src/**/*.ts'],
    ignores: [
      '**/*.spec.ts',
      'src/simulator/**',
      'src/health/scrape.ts',
      'src/workers/**',
      'src/h2c/connection.ts',
    ],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'AssignmentExpression[left.type="MemberExpression"][right.type=/^(Arrow)?FunctionExpression$/]',
          message: NAME_IT_FIRST,
        },
        {
          selector: 'PropertyDefinition[static=false][value.type=/^(Arrow)?FunctionExpression$/]',
          message: NAME_IT_FIRST,
        },
      ],
    },
  },
  {
    files: ['src/cli/**/*.ts', 'src/simulator/main.ts', 'bench/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
);

import tseslint from 'typescript-eslint';

const noExit = {
  selector: "MemberExpression[object.name='process'][property.name=/^(exit|reallyExit|abort)$/]",
  message: 'Set process.exitCode and return: an exit cuts what is on its way to a pipe.',
};
const noConsole = {
  selector: "MemberExpression[object.name='console']",
  message: 'Output goes through the context and its sinks.',
};

export default tseslint.config(
  { ignores: ['dist', 'coverage', 'node_modules', 'test/fixtures/vectors'] },
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.mjs'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Bytes and rows are indexed everywhere; the checks this rule calls unneeded are what keeps reading honest.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-base-to-string': 'off',
      // Code points are what Python counts a string in.
      '@typescript-eslint/no-misused-spread': 'off',
      'no-restricted-syntax': ['error', noExit],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', noExit, noConsole] },
  },
  {
    files: ['src/core/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        { name: 'process', message: 'The core takes its surroundings as arguments.' },
        { name: 'setTimeout', message: 'Time comes from deps.' },
        { name: 'fetch', message: 'The network comes from deps.' },
      ],
      'no-restricted-syntax': [
        'error',
        noExit,
        noConsole,
        {
          selector:
            "CallExpression[callee.object.name='Date'][callee.property.name='now'], NewExpression[callee.name='Date'][arguments.length=0]",
          message: 'The core takes time from deps.clock.',
        },
        {
          selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']",
          message: 'The core takes ids from deps.',
        },
      ],
    },
  },
);

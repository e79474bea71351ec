/** The house rules that a program can check; CONTRIBUTING.md says why they are. */
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

const shape = [
  { selector: 'ExportDefaultDeclaration', message: 'Export by name.' },
  { selector: 'TSEnumDeclaration', message: 'Use a const table or a union of literals.' },
  {
    selector: 'ClassDeclaration:not([superClass.name=/Error$/])',
    message: 'Use a function that closes over its state; classes are for errors.',
  },
]

const state = [
  { selector: 'Program > VariableDeclaration[kind="let"]', message: 'No module-level state: it belongs to an instance.' },
  {
    selector: 'Program > ExportNamedDeclaration > VariableDeclaration[kind="let"]',
    message: 'No module-level state: it belongs to an instance.',
  },
  {
    selector:
      ':matches(Program, Program > ExportNamedDeclaration) > VariableDeclaration > VariableDeclarator > NewExpression[callee.name=/^(Weak)?(Map|Set)$/][arguments.length=0]',
    message: 'No module-level state: a map that begins empty will be written to.',
  },
]

const time = [
  { selector: 'MemberExpression[object.name="Date"][property.name="now"]', message: 'Time comes from the Clock port.' },
  { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: 'Time comes from the Clock port.' },
  { selector: 'MemberExpression[object.name="performance"]', message: 'Time comes from the Clock port.' },
  { selector: 'MemberExpression[object.name="Math"][property.name="random"]', message: 'Randomness comes from the Random port.' },
  { selector: 'CallExpression[callee.property.name=/^(randomUUID|getRandomValues)$/]', message: 'Randomness comes from the Random port.' },
]

const timers = ['setTimeout', 'setInterval', 'setImmediate', 'requestAnimationFrame'].map(name => ({
  name,
  message: 'Timers come from the Clock port.',
}))

const machines = [
  { selector: 'Property[key.name="after"]', message: 'A restored machine loses its "after" timers: name an effect that arms a deadline.' },
  { selector: 'Property[key.name="invoke"]', message: 'A machine performs nothing: name an effect.' },
  { selector: 'Property[key.name="delay"]', message: 'A deadline is data and an effect that arms it.' },
  {
    selector: 'CallExpression[callee.name=/^(spawn|spawnChild|sendTo|sendParent|fromPromise|fromCallback|fromObservable)$/]',
    message: 'A machine performs nothing and has no children: name an effect.',
  },
]

export default defineConfig(
  { ignores: ['dist/', 'coverage/', '.tap/', 'node_modules/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      'no-restricted-syntax': ['error', ...shape],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-misused-spread': ['error', { allow: [{ from: 'lib', name: 'string' }, 'string'] }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // there are no classes but errors: a function is its own, whatever object it was taken from
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...shape, ...state, ...time], 'no-restricted-globals': ['error', ...timers] },
  },
  {
    files: ['src/machines/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...shape, ...state, ...time, ...machines] },
  },
  {
    // the ports themselves
    files: ['src/ports/*/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...shape, ...state], 'no-restricted-globals': 'off' },
  },
  {
    // it must parse on Nodes of long ago
    files: ['bin/socp'],
    languageOptions: { ecmaVersion: 5, sourceType: 'script' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // a subtest that is not awaited is awaited by tap
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafePromises: [{ from: 'package', package: '@tapjs/core', name: ['PromiseWithSubtest', 'SubtestPromise'] }] },
      ],
      // tests of bad input make bad input
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/require-await': 'off',
      // a file of cases grows with the cases
      'max-lines': 'off',
    },
  },
)

import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core'

// The colours were chosen by measuring their contrast: text and controls have at least 4.5:1 on their background in
// both schemes. Pages use the variables below, never a shade of their own.

const brand: MantineColorsTuple = [
  '#eaf3fd',
  '#d2e4f8',
  '#a3c8f1',
  '#72aaea',
  '#4a91e3',
  '#2f7fdd',
  '#1466c0',
  '#0b5cad',
  '#084a8c',
  '#06386a',
]
const slate: MantineColorsTuple = [
  '#d5dae1',
  '#b5bdc8',
  '#96a1af',
  '#7d8998',
  '#4d5866',
  '#343e4a',
  '#28313b',
  '#1a2129',
  '#131920',
  '#0d1217',
]

export const theme = createTheme({
  primaryColor: 'brand',
  primaryShade: { light: 7, dark: 6 },
  colors: { brand, dark: slate },
  fontFamily:
    '"Inter Variable", system-ui, -apple-system, "Segoe UI", "Noto Sans SC", "PingFang SC", sans-serif',
  fontFamilyMonospace:
    'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", "DejaVu Sans Mono", monospace',
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  headings: {
    fontWeight: '650',
    sizes: {
      h1: { fontSize: '1.375rem', lineHeight: '1.3' },
      h2: { fontSize: '1.0625rem', lineHeight: '1.4' },
      h3: { fontSize: '0.9375rem', lineHeight: '1.4' },
    },
  },
  defaultRadius: 'sm',
  radius: { xs: '3px', sm: '6px', md: '8px', lg: '12px', xl: '20px' },
  focusRing: 'auto',
  cursorType: 'pointer',
  respectReducedMotion: true,
})

/** variables are the meanings that pages paint with: surfaces, lines, texts, and one colour a state of work. */
export const variables: CSSVariablesResolver = () => ({
  variables: { '--c-radius': '8px', '--c-header': '52px', '--c-nav': '216px' },
  light: {
    '--mantine-color-body': '#f6f7f9',
    '--mantine-color-dimmed': '#566270',
    '--mantine-color-anchor': '#0b5cad',
    '--mantine-color-error': '#b3261e',
    '--c-surface': '#ffffff',
    '--c-raised': '#ffffff',
    '--c-sunken': '#eef1f4',
    '--c-line': '#dde2e8',
    '--c-line-strong': '#b9c2cc',
    '--c-hover': '#f0f4f9',
    '--c-selected': '#e3eefb',
    '--c-text': '#1a222b',
    '--c-good': '#17693a',
    '--c-good-soft': '#dff3e6',
    '--c-bad': '#b3261e',
    '--c-bad-soft': '#fce4e2',
    '--c-warn': '#8a4b00',
    '--c-warn-soft': '#fdeccf',
    '--c-work': '#0b5cad',
    '--c-work-soft': '#e0edfb',
    '--c-undo': '#6a3fb5',
    '--c-undo-soft': '#ece4fa',
    '--c-idle': '#566270',
    '--c-idle-soft': '#e8ecf0',
  },
  dark: {
    '--mantine-color-body': '#0d1217',
    '--mantine-color-text': '#d9dfe6',
    '--mantine-color-dimmed': '#97a3b0',
    '--mantine-color-anchor': '#7ab8ff',
    '--mantine-color-error': '#ff9189',
    '--c-surface': '#141b22',
    '--c-raised': '#1a232c',
    '--c-sunken': '#0a0f13',
    '--c-line': '#27313b',
    '--c-line-strong': '#43505d',
    '--c-hover': '#1b2530',
    '--c-selected': '#183250',
    '--c-text': '#d9dfe6',
    '--c-good': '#6fd08c',
    '--c-good-soft': '#12331f',
    '--c-bad': '#ff9189',
    '--c-bad-soft': '#45191a',
    '--c-warn': '#f2b866',
    '--c-warn-soft': '#3d2a0c',
    '--c-work': '#7ab8ff',
    '--c-work-soft': '#12304f',
    '--c-undo': '#c3a6ff',
    '--c-undo-soft': '#2e2150',
    '--c-idle': '#97a3b0',
    '--c-idle-soft': '#222b34',
  },
})

import { MantineProvider, localStorageColorSchemeManager, mergeThemeOverrides } from '@mantine/core'
import { useMemo, type ReactNode } from 'react'
import { useWords } from '@/i18n'
import { words } from '@/shared/words.ts'
import { nonce } from './nonce.ts'
import { theme, variables } from './theme.ts'

const schemes = localStorageColorSchemeManager({ key: 'concord-scheme' })

/** Themed gives what it holds the looks of the console. Buttons that components make by themselves are named in the
 * language that is shown. */
export function Themed({ children }: { children: ReactNode }) {
  const t = useWords(words)
  const close = t('close')
  const named = useMemo(() => {
    const defaultProps = { closeButtonProps: { 'aria-label': close } }
    return mergeThemeOverrides(theme, { components: { Modal: { defaultProps }, Drawer: { defaultProps } } })
  }, [close])
  return (
    <MantineProvider
      theme={named}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      colorSchemeManager={schemes}
      getStyleNonce={() => nonce}
      deduplicateCssVariables={false} // what is the default is not sent as a file, too
    >
      {children}
    </MantineProvider>
  )
}

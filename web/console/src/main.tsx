import '@fontsource-variable/inter/wght.css'
import '@/app/mantine.css'
import '@/app/base.css'
import { MantineProvider, localStorageColorSchemeManager } from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { RouterProvider } from 'react-router'
import { nonce } from '@/app/nonce.ts'
import { queries } from '@/app/queries.ts'
import { router } from '@/app/router.tsx'
import { theme, variables } from '@/app/theme.ts'

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      colorSchemeManager={localStorageColorSchemeManager({ key: 'concord-scheme' })}
      getStyleNonce={() => nonce}
      deduplicateCssVariables={false} // what is the default is not sent as a file, too
    >
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)

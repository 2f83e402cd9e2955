import '@fontsource-variable/inter/wght.css'
import '@/app/mantine.css'
import '@/app/base.css'
import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { RouterProvider } from 'react-router'
import { queries } from '@/app/queries.ts'
import { router } from '@/app/router.tsx'
import { Themed } from '@/app/Themed.tsx'

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Themed>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </Themed>
  </StrictMode>,
)

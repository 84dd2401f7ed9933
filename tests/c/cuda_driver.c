/*
 * Stands for NVIDIA's driver on machines without one, to be built several times: it starts with INIT, serves CUDA
 * VERSION, and has COUNT GPUs. Only what is asked before a runtime is opened.
 */
#include <stddef.h>
#include <string.h>

int cuInit(unsigned flags);
int cuDriverGetVersion(int *version);
int cuDeviceGetCount(int *count);
int cuDeviceGet(int *device, int ordinal);
int cuDeviceGetName(char *name, int length, int device);
int cuDeviceTotalMem_v2(size_t *bytes, int device);

int cuInit(unsigned flags)
{
    return flags == 0 ? INIT : 1;
}

int cuDriverGetVersion(int *version)
{
    *version = VERSION;
    return 0;
}

int cuDeviceGetCount(int *count)
{
    *count = COUNT;
    return 0;
}

int cuDeviceGet(int *device, int ordinal)
{
    *device = 100 + ordinal;
    return ordinal >= 0 && ordinal < COUNT ? 0 : 101;
}

int cuDeviceGetName(char *name, int length, int device)
{
    const char *text = device == 100 ? "Test Card One" : "Test Card Two";
    if (length <= (int)strlen(text)) {
        return 1;
    }
    strcpy(name, text);
    return 0;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    *bytes = (size_t)(device - 99) * 24 << 30;
    return 0;
}

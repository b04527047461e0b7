"""stores/memory"""
